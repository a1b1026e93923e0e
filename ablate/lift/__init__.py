"""One's own video: the 2D keypoints that a detector found in it become 3D poses, in one command.

reading     files of detectors, told apart by their layout (its docstring has the table)
people      who is who over the frames
filling     what was not seen, interpolated in time; resampling to the lifter's rate and back
sliding     a video of any length in overlapping windows, blended
placing     the person in front of an assumed or a known camera
outputs     npz, CSV and, from bvh, BVH; drawing: an animation
lifting     all of it, one after the other

Which keypoint is which of Human3.6M's 17 joints, ablate.data.keypoints says: lifters are trained with it too.
"""
