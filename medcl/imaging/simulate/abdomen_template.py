"""The settings that a simulated abdomen study starts with."""

ABDOMEN_COMMANDS = (
    "medcl preprocess --name ct --only modality=ct --hu-window -200 300",
    "medcl preprocess --name mr --only modality=mr --intensity percentile",
)
"""How both modalities are prepared."""

ABDOMEN_SETTINGS = f"""\
# Settings of this simulated study, read by every medcl command that runs in it.
# A flag on the command line wins over what stands here.
# They are sized for a laptop without a GPU; raise them where there is one.
#
# CT and MR are of different patients and want different intensities, and a store holds one recipe: make one for each.
#     {ABDOMEN_COMMANDS[0]}
#     {ABDOMEN_COMMANDS[1]}
# Then: medcl translate train --segment --source modality=ct --target modality=mr --source-preprocessed ct
#       --target-preprocessed mr

[labels]                     # what the numbers in the masks mean
1 = {{name = "liver", colour = "#D55E00"}}
2 = {{name = "right kidney", colour = "#0072B2"}}
3 = {{name = "left kidney", colour = "#56B4E9"}}
4 = {{name = "spleen", colour = "#009E73"}}

[preprocess]
slices = "axial"             # leave out for volumes
slice_spacing = [3.0, 3.0]   # y x in mm; the scans have about 2
slice_size = [128, 128]      # y x in pixels: 384 x 384 mm round the middle of the field of view
"""
