"""The development servers that come by pip."""
