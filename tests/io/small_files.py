"""One small valid file of each kind that is read."""

import zipfile

import av
import h5py
import nibabel
import numpy as np
import rasterio
import rasterio.shutil
import tifffile
import zarr
from dicom_files import save_series, slices
from maker_files import czi, lif, nd2
from maker_files import values as maker_stack
from PIL import Image, ImageCms
from rasters import save
from scipy.io import netcdf_file

from srlab.io import Axis, Channel, Description, Provenance, create_writer

RNG = np.random.default_rng(0)
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}


def pixels(bands=3, dtype=np.uint8, shape=(40, 50)):
    """Smooth enough to be compressed, and rough enough to take some bytes."""
    coarse = RNG.integers(0, np.iinfo(dtype).max, (bands, *shape), dtype=dtype)
    return coarse.repeat(2, axis=1).repeat(2, axis=2)


def photograph(mode="RGB"):
    return Image.fromarray(np.moveaxis(pixels(4), 0, -1)).convert(mode)


def camera_data():
    """EXIF data with tags of the image, of the exposure and of the place, and an ICC profile."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    exif.get_ifd(0x8825)[2] = (50.0, 1.0, 2.5)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {"exif": exif, "icc_profile": profile, "dpi": (300, 300)}


def picture(path, mode="RGB", **options):
    photograph(mode).save(path, **camera_data(), **options)


def geotiff(path):
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
    save(path, pixels(4, np.uint16), nodata=0, tags={"A": "b"}, **tiles, **PLACE)


def plain_geotiff(path):
    save(path, pixels(2).astype(np.float32), nodata=np.nan, **PLACE)


def masked_geotiff(path):
    save(path, pixels(), photometric="RGB", compress="lzw", predictor=2)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.eye(80, 100, dtype=bool))


def copied(path, driver, **options):
    plain = path.with_name("plain.tif")
    save(plain, pixels(), **PLACE)
    rasterio.shutil.copy(plain, path, driver=driver, **options)
    plain.unlink()


def netcdf(path):
    """Write a file of the classic format, with one variable on a grid."""
    with netcdf_file(path, "w") as file:
        for axis, size in (("y", 80), ("x", 100)):
            file.createDimension(axis, size)
            file.createVariable(axis, "f8", (axis,))[:] = np.arange(size) * 10.0
        file.createVariable("rain", "i2", ("y", "x"))[:] = pixels(1)[0]


def hdf5(path):
    with h5py.File(path, "w") as file:
        options = {"chunks": (1, 32, 32), "compression": "gzip", "shuffle": True}
        file.create_dataset("cube", data=pixels(3, np.uint16), **options)


def netcdf4(path):
    """Write a netCDF file that is HDF5, with one variable on a grid."""
    with h5py.File(path, "w") as file:
        for axis, size in (("y", 80), ("x", 100)):
            file[axis] = np.arange(size) * 10.0
            file[axis].make_scale(axis)
        options = {"chunks": (32, 32), "compression": "gzip", "fletcher32": True}
        rain = file.create_dataset("rain", data=pixels(1, np.uint16)[0], **options)
        for at, axis in enumerate("yx"):
            rain.dims[at].attach_scale(file[axis])


def vrt(path):
    save(path.with_name("source.tif"), pixels(), **PLACE)
    rasterio.shutil.copy(path.with_name("source.tif"), path, driver="VRT")


def animation(path):
    photograph().save(path, save_all=True, append_images=[photograph()])


def jp2_bytes(folder):
    copied(folder / "band.jp2", "JP2OpenJPEG")
    content = (folder / "band.jp2").read_bytes()
    (folder / "band.jp2").unlink()
    return content


METADATA = """<a><Product_Info><BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>
<BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET></Product_Info></a>"""


def product(path):
    save(path.with_name("one.tif"), pixels(1, np.uint16), **PLACE)
    rasterio.shutil.copy(path.with_name("one.tif"), path.with_name("one.jp2"), driver="JP2OpenJPEG")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("P.SAFE/MTD_MSIL2A.xml", METADATA)
        for band in ("B02", "B03"):
            image = f"P.SAFE/GRANULE/G/IMG_DATA/R10m/T_{band}_10m.jp2"
            archive.write(path.with_name("one.jp2"), image)


def slice_of_dicom(path):
    save_series(path.parent, slices(1, (40, 50)), name=path.name)


def volume(path, kind=nibabel.Nifti1Image, shape=(20, 16, 6)):
    values = RNG.integers(0, 100, shape).astype(np.int16)
    image = kind(values, np.diag([2, 1, 3, 1.0]))
    if kind is nibabel.Nifti1Image:
        image.header.set_slope_inter(0.5, -3)
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"made"))
    nibabel.save(image, path)


def stack(path, compression="zlib", **options):
    """Write two times, two channels and three planes."""
    planes = pixels(12, np.uint16).reshape(2, 2, 3, 80, 100)
    about = {"axes": "TCZYX", "PhysicalSizeX": 0.2, "Channel": {"Name": ["a", "b"]}}
    tifffile.imwrite(
        path, planes, metadata=about, compression=compression, tile=(32, 32), **options
    )


def jpeg_stack(path):
    planes = pixels(3).reshape(3, 80, 100)
    tifffile.imwrite(path, planes, metadata={"axes": "ZYX"}, compression="jpeg", tile=(32, 32))


def pyramid(path):
    with tifffile.TiffWriter(path, ome=True) as file:
        options = {"tile": (32, 32), "compression": "zlib"}
        file.write(pixels(2), subifds=1, metadata={"axes": "CYX"}, **options)
        file.write(pixels(2)[:, ::2, ::2], subfiletype=1, **options)


def hyperstack(path):
    planes = pixels(12, np.uint16).reshape(2, 3, 2, 80, 100)
    about = {"axes": "TZCYX", "unit": "um", "spacing": 0.7, "finterval": 5.0}
    tifffile.imwrite(path, planes, imagej=True, resolution=(2.0, 4.0), metadata=about)


def store(path, **options):
    root = zarr.open_group(path, mode="w", **options)
    root.attrs["bands"] = ["a", "b"]
    for name in ("a", "b"):
        root.create_array(name, data=pixels(1, np.uint16)[0], chunks=(32, 32))


def ome_store(path, ome_version):
    axes = (Axis("z"), Axis("y", 0.2, "µm"), Axis("x", 0.2, "µm"))
    channels = tuple(Channel(name, dtype=np.dtype(np.uint16)) for name in ("a", "b"))
    description = Description((2, 80, 300), axes, channels)
    options = {"ome_version": ome_version}
    writer = create_writer(path, description, provenance=Provenance("", ""), options=options)
    writer.prepare()
    values = pixels(4, np.uint16, (40, 150)).reshape(2, 2, 80, 300)
    writer.write((slice(0, 2), slice(0, 80), slice(0, 300)), values.astype(np.float32))
    writer.finish()


def video(path, codec="libx264", frames=6):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 100, 80, "yuv420p"
        for picture in pixels(frames):
            frame = av.VideoFrame.from_ndarray(np.stack([picture] * 3, -1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


KINDS = {
    "geo.tif": geotiff,
    "plain.tif": plain_geotiff,
    "masked.tif": masked_geotiff,
    "cog.tif": lambda path: copied(path, "COG", compress="zstd"),
    "jpeg.tif": lambda path: copied(path, "GTiff", compress="jpeg", photometric="ycbcr"),
    "scene.jp2": lambda path: copied(path, "JP2OpenJPEG"),
    "scene.vrt": vrt,
    "scene.nc": netcdf,
    "four.nc": netcdf4,
    "cube.h5": hdf5,
    "scene.dat": lambda path: copied(path, "ENVI"),
    "scene.img": lambda path: copied(path, "HFA", COMPRESSED="YES"),
    "scene.grb2": lambda path: copied(path, "GRIB"),
    "rgb.png": picture,
    "palette.png": lambda path: picture(path, "P"),
    "deep.png": lambda path: Image.fromarray(pixels(1, np.uint16)[0]).save(path),
    "rgb.jpg": picture,
    "progressive.jpg": lambda path: picture(path, progressive=True),
    "lossy.webp": picture,
    "lossless.webp": lambda path: picture(path, "RGBA", lossless=True),
    "rgb.bmp": lambda path: photograph().save(path),
    "palette.bmp": lambda path: photograph("P").save(path),
    "one.gif": lambda path: photograph("P").save(path),
    "product.zip": product,
    "slice.dcm": slice_of_dicom,
    "volume.nii": volume,
    "series.nii.gz": lambda path: volume(path, shape=(20, 16, 6, 2)),
    "long.nii": lambda path: volume(path, nibabel.Nifti2Image),
    "volume.mgh": lambda path: volume(path, nibabel.MGHImage),
    "volume.mgz": lambda path: volume(path, nibabel.MGHImage),
    "stack.ome.tif": stack,
    "lzw.ome.tif": lambda path: stack(path, "lzw", predictor=2),
    "zstd.ome.tif": lambda path: stack(path, "zstd"),
    "jpeg.ome.tif": jpeg_stack,
    "pyramid.ome.tif": pyramid,
    "hyperstack.tif": hyperstack,
    "array.npy": lambda path: np.save(path, pixels(3, np.uint16)),
    "fortran.yxc.npy": lambda path: np.save(path, np.asfortranarray(pixels(80))),
    "arrays.npz": lambda path: np.savez(path, a=pixels(2), b=np.arange(3)),
    "compressed.npz": lambda path: np.savez_compressed(path, a=pixels(2)),
    "volume.zyx.zarr": lambda path: zarr.create_array(path, data=pixels(2), chunks=(1, 32, 32)),
    "two.zarr": lambda path: store(path, zarr_format=2),
    "three.zarr": lambda path: store(path, zarr_format=3),
    "four.ome.zarr": lambda path: ome_store(path, "0.4"),
    "five.ome.zarr": lambda path: ome_store(path, "0.5"),
    "cell.czi": lambda path: czi(path, maker_stack()),
    "cell.nd2": lambda path: nd2(path, maker_stack()),
    "cell.lif": lambda path: lif(path, maker_stack()),
    "clip.mp4": video,
    "clip.mkv": lambda path: video(path, "ffv1"),
    "clip.avi": lambda path: video(path, "mpeg4"),
}
"""Functions that write a small file of each kind, or a folder of files, by its name."""


def write_small_file(path):
    """Write the file of a kind, which its name says; it is the same whatever was written before."""
    global RNG
    RNG = np.random.default_rng(0)
    KINDS[path.name](path)
