"""How fast the sinks for DynamoDB and Supabase write, beside the bare clients of both, on the servers of the tests."""
