"""The one place that knows every concrete class: it builds what configs describe."""
