"""Runs hlmon on AWS: from a config and a choice of plugins to an image and a CloudFormation stack.

`settings`, `manifest`, `needs` and `packages` are pure and know nothing of AWS; `stack` composes the resources.
"""
