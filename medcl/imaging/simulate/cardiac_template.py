"""The settings that a simulated cine-MR study starts with."""

CARDIAC_SETTINGS = """\
# Settings of this simulated study, read by every medcl command that runs in it.
# A flag on the command line wins over what stands here.
# They are sized for a laptop without a GPU; raise them where there is one.

[labels]                     # what the numbers in the masks mean
1 = {name = "right ventricle", colour = "#0072B2"}
2 = {name = "myocardium", colour = "#E69F00"}
3 = {name = "left ventricle", colour = "#009E73"}

[preprocess]
slices = "acquired"          # every short-axis slice is an image; leave out for volumes
slice_spacing = [2.5, 2.5]   # y x in mm; the scans have about 1.6
slice_size = [96, 96]        # y x in pixels: 240 x 240 mm round the middle of the field of view

[pretrain]
network = "resnet18"         # the paper has resnet50
batch_size = 32
epochs = 10                  # shows how it works; to learn, give it 100 or more
"""
