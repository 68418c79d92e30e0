from srlab.cli.comments import comments_of

TEXT = """# @package _global_
# What the file is for.
# In two lines.
defaults:
  - optimiser@optimiser.generator: adam   # what updates it
  - _self_

# Between keys: for readers.
scale: 4   # one number, or several
name: "a # b"  # text with the sign in it
url: http://host/#anchor
nothing:   # has no value
node:      # of several
  list: [1,
    2]     # over two lines
  flow: {a: 1, b: [2]}   # by name
  text: |   # of several lines
    # not a comment
  last: 1
"""


def test_comment_behind_a_key_is_its_help():
    assert comments_of(TEXT).keys == {
        "defaults.optimiser@optimiser.generator": "what updates it",
        "scale": "one number, or several",
        "name": "text with the sign in it",
        "nothing": "has no value",
        "node": "of several",
        "node.list": "over two lines",
        "node.flow": "by name",
        "node.text": "of several lines",
    }


def test_lines_at_the_top_say_what_the_file_is_for():
    assert comments_of(TEXT).head == ("What the file is for.", "In two lines.")


def test_file_without_keys_has_no_comments_on_any():
    assert comments_of("").keys == comments_of("# Empty.\n").keys == {}
