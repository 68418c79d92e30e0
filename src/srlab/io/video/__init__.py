"""Videos, with the times of their frames, their colours and their sound, by PyAV.

Reading:

- ``reader``: a video file; ``folder_reader``: a folder of pictures as a video
- ``frames``: the times of all frames, found without decoding; ``decoder``: frames by number
- ``colours``: conversion between stored colours and RGB; ``display_matrix``: rotated videos
- ``geometry``: the place of frames in time; ``listing``: the list of frames in a folder
- ``pyav``: PyAV and its errors

Writing:

- ``writer``: a video file; ``folder_writer``: a folder of frames
- ``segments``: the unfinished frames, on the disk; ``encoding``: codecs
- ``muxing``: encoded segments and the sound of the input, joined in one file
"""
