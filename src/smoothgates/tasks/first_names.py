"""First names for the laptop study's problems: few, and one token each, because its vocabulary has 112 tokens."""

FIRST_NAMES = [
    "Ann",
    "Ben",
    "Cal",
    "Dan",
    "Eve",
    "Fay",
    "Gus",
    "Hal",
    "Ida",
    "Jon",
    "Kim",
    "Leo",
    "Max",
    "Pam",
    "Sue",
    "Tom",
]
