"""The alert pages: the queue, one alert's timeline, and the desk's rail."""
