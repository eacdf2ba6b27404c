"""What a platform unit remembers about the marketplace (see ``domain.ports``); one protocol for each part."""
