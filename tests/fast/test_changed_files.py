"""What becomes of known images when files change: ids follow content, whatever happens to names."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhash.stages.images import ingest
from skyhash.stages.images.ingest_rows import Known, Read, sort_out

OLD, NEW = datetime(2011, 1, 1), datetime(2012, 1, 1)


def known(*files, vanished=None):
    return [Known(i, path, "", content, 1, OLD, vanished) for i, (path, content) in enumerate(files)]


def read(*files):
    return [Read(path, "", content, 1, NEW) for path, content in files]


def states(old, new, gone=(), retire=False):
    updates, taken = sort_out(old, new, set(gone), retire, "run")
    return {one.image_id: (one.state, one.path, one.retired_run) for one in updates}, taken


def test_touched_replaced_moved_and_gone():
    old = known(("a", "A"), ("b", "B"), ("c", "C"), ("d", "D"))
    result, taken = states(old, read(("a", "A"), ("b", "X"), ("c2", "C")), gone=["c", "d"])
    assert result == {0: ("same", "a", None), 1: ("changed", "b", "run"), 2: ("moved", "c2", None),
                    3: ("vanished", "d", None)}  # fmt: skip
    assert taken == {("a", ""), ("c2", "")}


def test_two_files_that_change_places_keep_their_images():
    result, _ = states(known(("a", "A"), ("b", "B")), read(("a", "B"), ("b", "A")))
    assert result == {0: ("moved", "b", None), 1: ("moved", "a", None)}


def test_a_file_marked_before_is_not_marked_again_but_may_be_retired():
    old = known(("a", "A"), vanished="before")
    assert states(old, [], gone=["a"])[0] == {}
    assert states(old, [], gone=["a"], retire=True)[0] == {0: ("vanished", "a", "run")}


contents = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("ABCD"), max_size=6)


@given(contents, contents, st.booleans())
def test_every_live_image_has_its_content_under_its_path(before, after, retire):
    # of equal content only the first name is an image: the others lie in quarantine
    first = {content: path for path, content in sorted(before.items(), reverse=True)}
    old = known(*((path, content) for content, path in sorted(first.items())))
    gone = {path for path in before if path not in after}
    updates, taken = sort_out(old, read(*after.items()), gone, retire, "run")
    assert len({one.image_id for one in updates}) == len(updates)
    content_of = {one.image_id: one.checksum for one in old}
    for one in updates:
        if one.state in ("same", "moved"):
            assert after[one.path] == content_of[one.image_id]
        else:
            # what is still there under any name is never lost
            assert content_of[one.image_id] not in {after[path] for path in after if (path, "") not in taken}
            assert content_of[one.image_id] not in after.values()
        assert (one.retired_run is None) == (one.state != "changed" and not (one.state == "vanished" and retire))


@pytest.mark.parametrize(
    ("sizes", "tasks"),
    [
        ([], 2),
        ([-1, 5], 2),
        ([1 << 20] * 100, 6),  # at least 16 files each
        ([1 << 20] * 800, 8),  # four tasks a core
        ([1000] * 10_240, 20),  # 512 files each
        ([16 << 20] * 3200, 100),  # half a gibibyte each
    ],
)
def test_tasks_are_large_enough_to_be_worth_their_start_and_small_enough_to_be_shared(sizes, tasks):
    assert ingest.tasks_for(sizes, 2) == tasks
