"""The commands of `kit`: a file each, a thin call into kit.api. The folder is the list."""
