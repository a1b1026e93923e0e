"""Weights as files: those of reference programs brought into the zoo, and any lifter's file evaluated by itself."""
