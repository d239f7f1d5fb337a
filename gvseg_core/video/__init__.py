"""Pictures in and out of files: what the user named, decoding, folders of frames, prefetching, encoding.

Time 0 is the first picture a video can show; its place on the file's own clock, which the sound shares, is
`VideoInfo.origin`. PyAV (FFmpeg) does all decoding and encoding, Pillow reads still pictures.
"""
