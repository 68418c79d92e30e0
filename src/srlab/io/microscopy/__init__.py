"""Images of microscopes: stacks, time series and channels.

- ``reader``, ``writer``: OME-TIFF; the reader also takes ImageJ's and plain TIFF stacks
- ``ome_zarr_reader``, ``ome_zarr_writer``, ``ome_zarr_metadata``: OME-Zarr 0.4 and 0.5
- ``ome_zarr_images``: the images of a store with several, such as a plate
- ``metadata``: pixel sizes and names in OME-XML and in ImageJ's description
- ``channels``: descriptions of channels by their names and colours
- ``contiguous``: windows of uncompressed pixels in a file
- ``staged``: the blocks of an unfinished output
- ``pyramid``: the coarser levels of an output
- ``makers``: CZI, ND2 and LIF
"""
