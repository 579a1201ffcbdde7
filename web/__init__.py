"""The page: plain ES modules, custom elements and styles, served as they stand."""
