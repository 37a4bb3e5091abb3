"""Every page and picture that medcl writes."""
