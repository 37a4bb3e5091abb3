"""The settings that a simulated study starts with."""

SETTINGS = """\
# Settings of this simulated study, read by every medcl command that runs in it.
# A flag on the command line wins over what stands here.
# They are sized for a laptop without a GPU; raise them where there is one.

[preprocess]
roi = "mask"              # cut out the graft: the label maps of cohort.csv are known
margin = 12.0             # mm kept around it, so that the iliac vessels are in the picture
spacing = [4.5, 4.0, 4.0] # z y x in mm; the scans have about 3.5 2.6 2.6
size = [24, 32, 32]       # z y x in voxels: 108 x 128 x 128 mm

[pretrain]
network = "resnet10"      # the paper has resnet18
pairs = "in-batch"        # all pairs among the images of a batch; "sampled" draws 10,000 pairs an epoch, as the paper
batch_size = 32
steps_per_epoch = 12
epochs = 8                # shows how it works; to learn, give it 40 or more
"""
