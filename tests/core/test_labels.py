"""A master bears the label of the agent in the config."""

from __future__ import annotations

from hlmon.labels import Labels
from hlmon.testing.builders import ALICE, BOB, make_account_info

AGENT = "0x" + "ac" * 20


def learnt(configured: dict[str, str], *infos) -> Labels:
    labels = Labels(configured)
    for info in infos:
        assert list(labels(info)) == []
    return labels


def agent_of(master: str):
    return make_account_info(account=AGENT, role="agent", master=master)


def test_a_master_bears_the_label_of_its_agent():
    labels = learnt({AGENT: "main", BOB: "other"}, agent_of(ALICE))
    assert dict(labels) == {AGENT: "main", BOB: "other", ALICE: "main"}


def test_a_master_with_a_label_of_its_own_keeps_it():
    assert learnt({AGENT: "main", ALICE: "own"}, agent_of(ALICE))[ALICE] == "own"


def test_a_master_in_the_config_without_a_label_gets_that_of_its_agent():
    assert learnt({AGENT: "main", ALICE: ""}, agent_of(ALICE))[ALICE] == "main"


def test_an_agent_that_serves_another_master_takes_its_label_along():
    labels = learnt({AGENT: "main"}, agent_of(ALICE), agent_of(BOB))
    assert (labels.get(ALICE), labels[BOB]) == (None, "main")


def test_who_is_no_agent_any_more_leaves_its_master_without_a_label():
    unknown = make_account_info(account=AGENT, role="unknown")
    assert learnt({AGENT: "main"}, agent_of(ALICE), unknown)[ALICE] == "main"
    assert ALICE not in learnt({AGENT: "main"}, agent_of(ALICE), make_account_info(account=AGENT, role="missing"))


def test_an_agent_whose_master_is_not_known_gives_its_label_to_nobody():
    assert dict(learnt({AGENT: "main"}, agent_of(""))) == {AGENT: "main"}


def test_it_remembers_who_is_behind_an_agent_and_not_what_the_label_was():
    memory = learnt({AGENT: "main"}, agent_of(ALICE)).dump_memory()
    renamed, removed = Labels({AGENT: "new name"}), Labels({})
    renamed.load_memory(memory)
    removed.load_memory(memory)
    assert (renamed[ALICE], dict(removed)) == ("new name", {})
