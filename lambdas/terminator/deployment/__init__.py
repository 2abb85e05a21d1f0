"""What a deployment is made of, as its settings say it.

Only the stacks and the command line use it; none of it is bundled for Lambda.
"""
