"""The routes of the page: a file holds a route, the model of its answer and how it is computed."""
