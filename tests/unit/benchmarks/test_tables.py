from measure import tables


def turns(*seconds, rows=100, others=0.0):
    return [{"seconds": s, "rows": rows, "others": others} for s in seconds]


FOUND = {
    "NFM": {"here": turns(1.0, 2.0, 1.0), "peer": turns(2.0, 4.0, 2.0, others=0.3)},
    "DCNV2": {"here": turns(1.0), "peer": turns(8.0)},
}


def test_more_rows_a_second_here_are_more_times_as_fast():
    lines = tables.against_peers(FOUND, ["here"], ["peer"]).splitlines()
    assert lines[2] == "| NFM | peer | 50 (25–50) | here | 100 (50–100) | 2.00 (2.00–2.00) | 0.30 |"
    assert "**4.00** (least 2.00)" in lines[-1]


def test_a_peer_without_a_model_is_left_out_there():
    found = {**FOUND, "FiGNN": {"here": turns(1.0), "other": turns(2.0)}}
    lines = tables.against_peers(found, ["here"], ["peer", "other"]).splitlines()
    assert [line.split(" | ")[0] + line.split(" | ")[1] for line in lines[2:5]] == [
        "| NFMpeer",
        "| DCNV2peer",
        "| FiGNNother",
    ]


def test_the_cost_of_a_head_is_what_it_adds_to_the_time():
    found = {"NFM": {"binary": turns(1.0, 2.0), "multi": turns(1.1, 2.0)}}
    line = tables.head_costs(found, "binary", "multi").splitlines()[-1]
    assert "| +5.0 % (+0.0 to +10.0) | too few turns |" in line
    many = {"NFM": {"binary": turns(*[2.0] * 6), "multi": turns(2.1, 1.9, 2.1, 2.1, 2.2, 2.1)}}
    line = tables.head_costs(many, "binary", "multi").splitlines()[-1]
    assert "| +5.0 % (-5.0 to +10.0) | -5.0 to +10.0 |" in line


def test_seconds_are_compared_the_right_way_round():
    last = tables.times(FOUND, "here", "peer", "model").splitlines()[-1]
    assert last == "| DCNV2 | 8.00 (8.00–8.00) | 1.00 (1.00–1.00) | 8.00 (8.00–8.00) | 0.00 |"


def test_the_most_disturbed_turn_is_told():
    assert tables.others(FOUND["NFM"]) == 0.3
