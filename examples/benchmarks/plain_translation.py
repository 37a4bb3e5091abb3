"""A step of translation with segmentation as it is written down, for the count of slices per second in ct_to_mr.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def plain_steps(made: Any) -> Callable[[], None]:
    """A step as it is written down: every picture through the generator by itself, taps encoded anew, slices read then.

    The same networks, losses and augmentation; no passes are shared, nothing is read ahead, gradients of the
    discriminator are kept while the generator learns.
    """
    import numpy as np
    import torch

    from medcl.losses.least_squares_gan import discriminator_loss, generator_loss
    from medcl.losses.patch_nce import patch_nce
    from medcl.losses.weighted_cross_entropy import weighted_cross_entropy
    from medcl.networks.patch_positions import draw_positions

    method, source = made.method, made.source
    generator, judge, project, segmenter = (
        method.generator,
        method.discriminator,
        method.projection,
        method.segmenter,
    )
    plans = iter(source.epoch(0))
    learned = [*generator.parameters(), *project.parameters(), *segmenter.parameters()]
    adam = [torch.optim.Adam(each, 2e-4, (0.5, 0.999)) for each in (list(judge.parameters()), learned)]
    names = method.options.taps

    def contrast(made_of: Any, kept: Any) -> Any:
        total = 0.0
        keys, queries = generator.taps(kept, names), generator.taps(made_of, names)
        for name in names:
            draws = [np.random.default_rng(place) for place in range(len(kept))]
            where = {name: draw_positions(name, kept.shape[3:], draws, method.options.patches)}
            both = [project({name: each[name]}, where)[name] for each in (queries, keys)]
            total = total + patch_nce(*both).mean() / len(names)
        return total

    def step() -> None:
        batch = next(iter(source.batches([next(plans)], 0)))
        ours = torch.from_numpy(batch.plan.targets["source"])
        real_ct, real_mr, labels = batch.volumes[ours], batch.volumes[~ours], batch.labels[ours]
        fake = generator(real_ct)
        same = generator(real_mr)
        adam[0].zero_grad()
        discriminator_loss(judge(fake.detach()), judge(real_mr)).mean().backward()
        adam[0].step()
        adam[1].zero_grad()
        loss = generator_loss(judge(fake)).mean() + contrast(fake, real_ct) + contrast(same, real_mr)
        (loss + weighted_cross_entropy(segmenter(fake)[0], labels).loss.mean()).backward()
        adam[1].step()

    return step
