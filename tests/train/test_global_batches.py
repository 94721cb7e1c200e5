# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every objective's batches are a function of the seed and the step, however many processes read and arrange them."""

import dataclasses
import itertools

import numpy as np
import pytest

from tests.train.tiny import RUNS
from zoo.data import source
from zoo.data.pipeline import Shard, evaluation_batches, train_batches
from zoo.data.schema import Dataset
from zoo.data.text import PreparedText
from zoo.data.training import training_examples
from zoo.objectives import OBJECTIVES, Objective
from zoo.train.config import RunConfig
from zoo.train.run_spec import RunSpec

ALONE = Shard()
BLOCKS, STEPS = 4, 2  # of the rows of a batch, and how many batches are compared


@dataclasses.dataclass(frozen=True)
class Opened:
    """A run whose data are open."""

    run: RunConfig
    dataset: Dataset
    objective: Objective

    def train(self, shard: Shard = ALONE, seed: int = 7, first: int = 0) -> list[dict]:
        """Batches from the step `first` on, as the loop reads them."""
        options = dict(shard=shard, micro_batches=self.run.grad_accum_steps, arrangements=self.objective.arrangements)
        batches = iter(
            train_batches(
                training_examples(self.dataset), self.arrange, batch_size=self.run.batch_size, seed=seed, **options
            )
        )
        state = batches.get_state()
        place = next(name for name, value in state.items() if value == 0)
        batches.set_state({**state, place: first})
        return list(itertools.islice(batches, STEPS))

    def evaluate(self, shard: Shard = ALONE) -> list[dict]:
        """The first batches of an evaluation."""
        return list(
            evaluation_batches(
                self.dataset.split("validation"),
                self.arrange,
                batch_size=self.run.batch_size,
                seed=7,
                num_batches=STEPS,
                shard=shard,
            )
        )

    def arrange(self, batch, key):
        """Twice the same of the same, which stays as it was."""
        before = {name: values.copy() for name, values in batch.items()}
        found, again = (self.objective.arrange(dict(batch), key) for _ in range(2))
        equal([batch], [before])
        equal([found], [again])
        return found


@pytest.fixture(scope="module", params=RUNS)
def opened(request, tmp_path_factory):
    run, folder = RUNS[request.param](), tmp_path_factory.mktemp("data")
    data = run.data
    if isinstance(data, PreparedText):  # a part of the text, which takes no time
        text = source.EMBEDDED.read_text(encoding="utf-8")[:60_000]
        (folder / "play.txt").write_text(text, encoding="utf-8")
        data = dataclasses.replace(data, source=str(folder / "play.txt"))
        dataset = data.open(cache_dir=folder, data_dir=data.prepare(folder / "data"))
    else:
        dataset = data.open(cache_dir=folder / "data")
    return Opened(run, dataset, RunSpec.create(run, dataset.info).objective)


def equal(one: list[dict], other: list[dict]) -> None:
    assert len(one) == len(other)
    for here, there in zip(one, other, strict=True):
        assert here.keys() == there.keys()
        for name in here:
            assert here[name].dtype == there[name].dtype, name
            np.testing.assert_array_equal(here[name], there[name], err_msg=name)


def joined(read, processes: int) -> list[dict]:
    """What so many processes read, each its own adjacent blocks of the rows."""
    each = BLOCKS // processes
    shards = [Shard(blocks=tuple(range(i, i + each)), count=BLOCKS) for i in range(0, BLOCKS, each)]
    parts = zip(*[read(shard) for shard in shards], strict=True)
    return [{name: np.concatenate([part[name] for part in step]) for name in step[0]} for step in parts]


def test_every_objective_is_here():
    found = {next(name for name, kind in OBJECTIVES.items() if type(run().objective) is kind) for run in RUNS.values()}
    assert found == OBJECTIVES.keys()


def test_processes_read_the_global_batches(opened):
    for read in (opened.train, opened.evaluate):
        alone = joined(read, 1)
        equal(joined(read, 2), alone)
        equal(joined(read, 4), alone)
        # Rows of several examples are filled up until the blocks divide them.
        whole = read()
        equal(
            whole,
            [
                {name: rows[: len(there[name])] for name, rows in here.items()}
                for here, there in zip(alone, whole, strict=True)
            ],
        )


def test_a_step_is_read_by_itself(opened):
    """After a restart, say; and another seed gives others."""
    whole = opened.train()
    equal(opened.train(first=1)[:-1], whole[1:])
    other = opened.train(seed=8)
    assert any(np.any(here[name] != there[name]) for here, there in zip(whole, other, strict=True) for name in here)
