"""Motion capture: from the files of others (ASF/AMC, BVH, npz, CMU's site) to sets in this program's layout.

``amc`` and ``bvh`` read files into a ``Motion`` (kinematics), ``naming`` finds Human3.6M's joints in it, ``importing``
does all of it for a folder and writes the set, ``fetching`` gets CMU's files first.
"""
