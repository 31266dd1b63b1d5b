from lightsweep import train


def test_my_net_learns_a_table(tmp_path):
    rows = [f"{x},{y},{'above' if y > x else 'below'}" for x in range(12) for y in range(12) if x != y]
    (tmp_path / "table.csv").write_text("\n".join(["x,y,side", *rows]) + "\n")
    data = ["data=csv", f"data.path={tmp_path}/table.csv", "data.target=side", "data.val_size=32", "data.test_size=32"]

    result = train(
        [*data, "optimizer=adam", "optimizer.lr=0.01", "trainer.max_epochs=15", "logger=none"], tmp_path / "run"
    )

    assert result.status == "completed"
    assert result.metrics["test/acc"] > 0.8
