"""Pruning mechanisms as functions of tensors: they know no model, and importing this package imports no torch."""
