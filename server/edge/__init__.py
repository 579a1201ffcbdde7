"""HTTP only: handlers, middleware, problem details, the page."""
