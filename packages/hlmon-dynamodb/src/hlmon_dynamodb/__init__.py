"""Keeps events of hlmon in Amazon DynamoDB.

`tables` says which tables there are, `items` how an event lies in them; both are pure and know nothing of AWS's client.
"""
