"""Text within pictures, for PNG files that must be read without a page around them.

The letters are medcl's own: 5 pixels wide and 7 high, with 2 rows below the line. What has no letter loses its accents,
and is a box where that does not help.
"""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

WIDE, HIGH = 6, 9
"""Pixels of a letter with the gap behind it, and with the rows below the line."""

UNKNOWN = "�"

# Nine rows from the top, five pixels each, as digits to the base 32.
# fmt: off
LETTERS = {
    " ": "000000000", "!": "444440400", '"': "aaa000000", "#": "aavavaa00", "$": "4fke5u400", "%": "op248j300",
    "&": "cik8lid00", "'": "444000000", "(": "248884200", ")": "842224800", "*": "04lel4000", "+": "044v44000",
    ",": "000006624", "-": "000e00000", ".": "000006600", "/": "11248gg00", "0": "ehjlphe00", "1": "4c4444e00",
    "2": "eh1248v00", "3": "v2421he00", "4": "26aiv2200", "5": "vgu11he00", "6": "68guhhe00", "7": "v12488800",
    "8": "ehhehhe00", "9": "ehhf12c00", ":": "004404400", ";": "004406624", "<": "248g84200", "=": "00v0v0000",
    ">": "842124800", "?": "eh1240400", "@": "ehnlngf00", "A": "ehhvhhh00", "B": "uhhuhhu00", "C": "ehggghe00",
    "D": "uhhhhhu00", "E": "vgguggv00", "F": "vgguggg00", "G": "ehgnhhf00", "H": "hhhvhhh00", "I": "e44444e00",
    "J": "72222ic00", "K": "hikokih00", "L": "ggggggv00", "M": "hrllhhh00", "N": "hppljjh00", "O": "ehhhhhe00",
    "P": "uhhuggg00", "Q": "ehhhlid00", "R": "uhhukih00", "S": "fgge11u00", "T": "v44444400", "U": "hhhhhhe00",
    "V": "hhhhaa400", "W": "hhhllrh00", "X": "hha4ahh00", "Y": "hha444400", "Z": "v1248gv00", "[": "e88888e00",
    "\\": "gg8421100", "]": "e22222e00", "^": "4ah000000", "_": "000000v00", "`": "840000000", "a": "00e1fhf00",
    "b": "gguhhhu00", "c": "00egghe00", "d": "11fhhhf00", "e": "00ehvge00", "f": "698s88800", "g": "00fhhhf1e",
    "h": "gguhhhh00", "i": "40c444e00", "j": "2062222ic", "k": "ggikoki00", "l": "c44444e00", "m": "00qllll00",
    "n": "00uhhhh00", "o": "00ehhhe00", "p": "00uhhhugg", "q": "00fhhhf11", "r": "00mpggg00", "s": "00fge1u00",
    "t": "88s889600", "u": "00hhhhf00", "v": "00hhha400", "w": "00hllla00", "x": "00ha4ah00", "y": "00hhhhf1e",
    "z": "00v248v00", "{": "344844300", "|": "444444440", "}": "o44244o00", "~": "008l20000", "µ": "00hhhpmgg",
    "·": "000660000", "×": "000a4a000", "–": "000v00000", "…": "000000l00", "�": "vhhhhhv00",
}
# fmt: on


def lettering(text: str, scale: int = 2) -> NDArray[np.bool_]:
    """The pixels of a line of text, (9 * scale, 6 * scale * letters).

    Args:
        text: one line.
        scale: pixels of the picture for one of a letter, each way.
    """
    letters = [_letter(each) for each in _spelled(text)]
    line = np.concatenate(letters, axis=1) if letters else np.zeros((HIGH, 0), np.bool_)
    return np.repeat(np.repeat(line, scale, axis=0), scale, axis=1)


def shortened(text: str, width: int, scale: int = 2) -> str:
    """The text, or as much of it as fits a width in pixels, with … at its end."""
    most = max(1, width // (WIDE * scale))
    return text if len(text) <= most else text[: most - 1] + "…"


def _letter(letter: str) -> NDArray[np.bool_]:
    rows = np.array([2 * int(row, 32) for row in LETTERS[letter]])  # the last pixel is the gap
    pixels: NDArray[np.bool_] = (rows[:, None] >> np.arange(WIDE)[::-1]) & 1 == 1
    return pixels


def _spelled(text: str) -> str:
    known = ""
    for letter in text:
        plain = letter if letter in LETTERS else unicodedata.normalize("NFKD", letter)
        kept = "".join(part for part in plain if not unicodedata.combining(part))
        known += "".join(part if part in LETTERS else UNKNOWN for part in kept)
    return known
