"""Pictures from files, standard input and web addresses, decoded; nothing here opens a camera."""
