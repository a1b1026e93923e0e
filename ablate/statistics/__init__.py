"""What can be told apart, and how surely: records become samples, samples become differences with intervals.

``samples`` pairs errors by configuration, seed and recording; ``layout`` says how surely a contrast of configurations
is known; ``differences``, ``contrasts`` and ``fronts`` ask it. Whatever a report says of significance comes from here.
"""
