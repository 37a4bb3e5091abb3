"""What a language model is asked: the text of one template and how to write it anew. Nothing of a patient is in it."""

from __future__ import annotations

import hashlib

from medcl.study.prompt_template import slots_of

REQUEST = """\
Below is one template for texts about patients. A program will later put words into its slots, which stand in curly \
braces. Write the template once more in other words, as another physician might, with the same meaning.

- Keep every slot exactly as it is written, with its braces, each of them once: {slots}
- Put nothing in the place of a slot, and add no number and no finding.
- Keep apart what the template says in separate sentences.
- Answer with the new template alone, in one line.

{template}"""


def request_text(template: str) -> str:
    """All that is sent for a template."""
    slots = ", ".join(f"{{{slot}}}" for slot in slots_of(template))
    return REQUEST.replace("{slots}", slots).replace("{template}", template)


def request_seed(seed: int, template: str, attempt: int) -> int:
    """The seed of one answer, below 2**31: another for each template and attempt, the same after a stop."""
    digest = hashlib.sha256(f"{seed}\n{attempt}\n{template}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
