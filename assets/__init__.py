"""Small samples that the project made itself, with the scripts that make them."""
