"""The development servers that pip installs."""
