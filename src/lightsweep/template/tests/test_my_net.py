from lightsweep import train

MY_NET = ["model=my_net", "optimizer=adam", "optimizer.lr=0.01", "scheduler=constant", "trainer.max_epochs=15"]
PLAIN = ["monitor=auto", "mode=auto", "metrics=none", "callbacks=none", "logger=none"]  # whatever conf/project/ says


def test_my_net_learns_a_table(tmp_path):
    rows = [f"{x},{y},{'above' if y > x else 'below'}" for x in range(12) for y in range(12) if x != y]
    (tmp_path / "table.csv").write_text("\n".join(["x,y,side", *rows]) + "\n")
    data = ["data=csv", f"data.path={tmp_path}/table.csv", "data.target=side", "data.val_size=32", "data.test_size=32"]

    result = train([*data, *MY_NET, *PLAIN], tmp_path / "run")

    assert result.status == "completed"
    assert result.metrics["test/acc"] > 0.8
