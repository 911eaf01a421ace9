"""Questions put to networks, one a file: where they rest and turn, what their removals meet, what
predicts a cost.
"""
