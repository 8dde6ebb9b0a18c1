"""Rules that choose the training images: by time, group, class or hash, or the archive's own parts; pandas only."""

from skyhash.registry import Registry

SPLITS = Registry(
    "skyhash.splits",
    "train.split.by",
    {
        "time": "skyhash.splits.by_time:ByTime",
        "group": "skyhash.splits.by_group:ByGroup",
        "label": "skyhash.splits.by_label:ByLabel",
        "hash": "skyhash.splits.by_hash:ByHash",
        "official": "skyhash.splits.official:Official",
        "fold": "skyhash.splits.by_fold:ByFold",
    },
    default="time",
)
