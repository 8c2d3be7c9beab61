"""Examples of the bodies of requests and responses, for the OpenAPI document."""
