"""Refining and quick selection: slow combinations, k-means against scikit-learn, rows read from files without Spark."""

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from skyhash.cli import main
from skyhash.locations import Location
from skyhash.scores.image_groups import groups, k_means, similarity_matrix
from skyhash.scores.refine import NeighbourRow, combined
from skyhash.spark.storage.driver_rows import write_rows
from skyhash.stages.releases.released import NeighbourTable, neighbour_files
from skyhash.tables import RELEASES


def table_of(codes, k):
    """Rows of the k nearest by cosine, best first, of equals the lower id; image n has id 10 n."""
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    cosine = (unit @ unit.T).astype(np.float32)
    rows = []
    for i in range(len(codes)):
        order = sorted((j for j in range(len(codes)) if j != i), key=lambda j: (-cosine[i, j], j))[:k]
        rows.append(NeighbourRow(10 * i, 10 * np.array(order, np.int64), cosine[i, order]))
    return rows


def blobs(seed=0, each=12, kinds=5, size=6):
    random = np.random.default_rng(seed)
    centres = 6 * np.eye(kinds, size)
    return np.concatenate([centre + 0.4 * random.standard_normal((each, size)) for centre in centres])


@pytest.mark.parametrize("rule", ["mean", "least", "most"])
def test_rankings_are_those_of_the_slow_loops(rule):
    rows = [table_of(blobs(), 20)[i] for i in (0, 3, 30)]
    how = {"mean": lambda x: sum(x) / len(x), "least": min, "most": max}[rule]
    scores = {}
    for image in {int(i) for row in rows for i in row.ids} - {0, 30, 300}:
        listed = [dict(zip(row.ids.tolist(), row.similarities.tolist(), strict=True)) for row in rows]
        scores[image] = how(
            [one.get(image, float(row.similarities[-1])) for one, row in zip(listed, rows, strict=True)]
        )
    ids, found = combined(rows, rule)
    assert ids.tolist() == sorted(scores, key=lambda image: (-scores[image], image))
    np.testing.assert_allclose(found, [scores[image] for image in ids.tolist()], rtol=1e-6)


def test_one_image_alone_gives_its_own_row_and_more_narrow_it():
    rows = table_of(blobs(), 30)
    ids, scores = combined(rows[:1])
    assert ids.tolist() == rows[0].ids.tolist() and np.array_equal(scores, rows[0].similarities)
    # one of the first kind, one of the third: the best of "least" is near to both, no kind's own
    mixed, _ = combined([rows[0], rows[24]], "most")
    assert {i // 120 for i in mixed[:20].tolist()} == {0, 2}


def test_the_matrix_is_symmetric_and_holds_what_the_table_knows():
    every = table_of(blobs(2, each=8), 7)
    rows = every[1::2]  # lists hold images that have no row here
    matrix = similarity_matrix(rows)
    ids = [row.query for row in rows]
    assert np.array_equal(matrix, matrix.T)

    def known(row, other):
        found = row.similarities[row.ids == other]
        return found[0] if len(found) else row.similarities[-1]

    assert any(other not in row.ids for row in rows for other in ids if other != row.query)
    for i, row in enumerate(rows):
        assert matrix[i, i] == row.similarities[0]
        for j, other in enumerate(rows):
            if i != j:
                assert matrix[i, j] == max(known(row, other.query), known(other, row.query))
    assert similarity_matrix([]).shape == (0, 0)


def test_k_means_is_as_good_as_scikit_learns():
    from sklearn.cluster import KMeans

    points = blobs(4, each=40).astype(np.float32)
    group, centres = k_means(points, 5, np.random.default_rng(0))
    theirs = KMeans(5, n_init=5, random_state=0).fit(points)
    ours = ((points - centres[group]) ** 2).sum()
    assert ours <= 1.02 * theirs.inertia_
    again, _ = k_means(points, 5, np.random.default_rng(0))
    assert np.array_equal(group, again)
    assert len(k_means(np.ones((9, 3), np.float32), 5, np.random.default_rng(0))[1]) == 1
    assert len(k_means(points[:2], 5, np.random.default_rng(0))[1]) == 2


def test_groups_are_the_kinds_of_images():
    rows = table_of(blobs(), 59)
    query = rows[0]
    found = groups(query, [row for row in rows if row.query in query.ids], 5, 7)
    assert sorted(len(one.members) for one in found) == [11, 12, 12, 12, 12]
    for one in found:
        kinds = {int(i) // 120 for i in (*one.members, one.representative, *one.selected)}
        assert len(kinds) == 1 and one.representative in one.members and len(one.selected) == 7
        assert one.representative not in one.selected
        positions = [query.ids.tolist().index(i) for i in one.members.tolist()]
        assert positions == sorted(positions)
    assert sum(len(one.members) for one in found) == 59 and groups(query, []) == []


SIMILARITIES = pyarrow.list_(pyarrow.float32())


@pytest.fixture
def warehouse(tmp_path):
    """A released table of neighbours as plain Parquet: two files, several row groups, an older version beside."""
    rows = table_of(blobs(), 20)
    for name in ("neighbours", "releases"):
        (tmp_path / name / "_versions").mkdir(parents=True)
    for part, some in (("a", rows[:25]), ("b", rows[25:]), ("old", rows[:5])):
        part_table = pyarrow.table({
            "query_id": [row.query for row in some], "model_id": ["m"] * len(some),
            "neighbour_ids": [row.ids.tolist() for row in some],
            "similarities": pyarrow.array([row.similarities.tolist() for row in some], SIMILARITIES),
        })  # fmt: skip
        pyarrow.parquet.write_table(part_table, tmp_path / "neighbours" / f"{part}.parquet", row_group_size=10)
    for version, files in ((0, ["old.parquet"]), (1, ["b.parquet", "a.parquet"])):
        (tmp_path / f"neighbours/_versions/{version:08d}.json").write_text(json.dumps({"files": files}))
    released = [dict.fromkeys(RELEASES.names) | {"release_id": number + 1, "versions": f'{{"neighbours": {number}}}'}
            for number in (0, 1)]  # fmt: skip
    written = write_rows(Location(tmp_path / "releases"), RELEASES, released)
    (tmp_path / "releases/_versions/00000000.json").write_text(f'{{"files": ["{written.name}"]}}')
    return tmp_path, rows


@pytest.mark.parametrize("memory_mb", [4096, 0])
def test_rows_are_read_by_image_from_any_row_group(warehouse, memory_mb):
    folder, rows = warehouse
    table = NeighbourTable(neighbour_files(Location(folder)), memory_mb)
    wanted = [590, 0, 240, 250, 0, 7, 10_000, -5]
    found = table.rows(wanted)
    assert [row.query for row in found] == [590, 0, 240, 250, 0], "7 and the others have no row"
    for row in found:
        expected = rows[row.query // 10]
        assert np.array_equal(row.ids, expected.ids) and np.array_equal(row.similarities, expected.similarities)


def test_the_commands_answer_from_the_released_table(warehouse, capsys):
    folder, rows = warehouse
    here = ["--set", f"warehouse={folder}", "--format", "json"]
    assert main(["refine", "0", "30", "--k", "3", *here]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["image_id"] for row in found] == combined([rows[0], rows[3]])[0][:3].tolist()
    assert [row["rank"] for row in found] == [1, 2, 3]
    assert main(["groups", "0", "--groups", "2", "--select", "4", *here]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(row["images"] for row in found) == 20 and all(len(row["selected"]) <= 4 for row in found)
    for wrong in (["refine", "7"], ["groups", "7"], ["refine", "0", "--set", "warehouse=/nowhere"]):
        assert main([*wrong, *([] if "warehouse=/nowhere" in wrong else here)]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
