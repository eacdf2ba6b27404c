/* Between a process and its C library: fails what the file named by INSTALLHUB_TEST_FAULTS asks for, as it stands there
 * at the moment of each call. One word a line:
 *
 *   fsync            fsync and fdatasync of files below a "blobs" folder fail with EIO
 *   short            write to such files takes half of what it was given, and at least one byte
 *   log              fsync and fdatasync of a database's log fail with EIO
 *   clock SECONDS    the wall clock is so many seconds further; clocks that only grow are left alone
 *
 * A process that has the variable not set, or a file that is empty, behaves as without it.
 *
 * Where INSTALLHUB_TEST_DISK names a folder, it gets what a database and its log held when they were last made safe:
 * what a disk is sure to hold after a loss of power.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static size_t asked(char *into, size_t room) {
    const char *path = getenv("INSTALLHUB_TEST_FAULTS");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = 0;
    if (file >= 0) {
        got = syscall(SYS_read, file, into, room - 1);
        syscall(SYS_close, file);
    }
    into[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

static int wants(const char *word) {
    char text[128];
    return asked(text, sizeof text) > 0 && strstr(text, word) != NULL;
}

static long long seconds_on(void) {
    char text[128];
    const char *found = asked(text, sizeof text) > 0 ? strstr(text, "clock ") : NULL;
    return found ? atoll(found + 6) : 0;
}

static void path_of(int file, char *into, size_t room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, into, room - 1);
    into[length > 0 ? length : 0] = 0;
}

static int is_of_blobs(int file) {
    char path[4096];
    path_of(file, path, sizeof path);
    return strstr(path, "/blobs/") != NULL;
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), at_end = strlen(end);
    return length >= at_end && strcmp(text + length - at_end, end) == 0;
}

static void copy(const char *from, const char *to) {
    char part[1 << 16];
    ssize_t got;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    while ((got = read(in, part, sizeof part)) > 0) {
        if (syscall(SYS_write, out, part, got) != got) {
            abort();
        }
    }
    if (in < 0 || out < 0 || got < 0) {
        abort();
    }
    close(in);
    close(out);
}

/* What is written while a file is made safe may be lost: it is copied before, and kept once that has gone well. */
static int made_safe(long call, int file) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    const char *disk = getenv("INSTALLHUB_TEST_DISK");
    char path[4096], held[4200], next[4300];
    path_of(file, path, sizeof path);
    if ((strstr(path, "/blobs/") && wants("fsync")) || (ends_with(path, ".db-wal") && wants("log"))) {
        errno = EIO;
        return -1;
    }
    if (disk == NULL || !(ends_with(path, ".db") || ends_with(path, ".db-wal"))) {
        return (int)syscall(call, file);
    }
    pthread_mutex_lock(&one_at_a_time);
    snprintf(held, sizeof held, "%s%s", disk, strrchr(path, '/'));
    snprintf(next, sizeof next, "%s.next", held);
    copy(path, next);
    int result = (int)syscall(call, file);
    if (result == 0 && rename(next, held) != 0) {
        abort();
    }
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

int fsync(int file) {
    return made_safe(SYS_fsync, file);
}

int fdatasync(int file) {
    return made_safe(SYS_fdatasync, file);
}

ssize_t write(int file, const void *from, size_t count) {
    if (count > 1 && is_of_blobs(file) && wants("short")) {
        count /= 2;
    }
    return syscall(SYS_write, file, from, count);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) {
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += (time_t)seconds_on();
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into != NULL) {
        *into = exact.tv_sec;
    }
    return exact.tv_sec;
}
