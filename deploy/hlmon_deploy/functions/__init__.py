"""Code of the Lambda functions; each module runs there as it is."""
