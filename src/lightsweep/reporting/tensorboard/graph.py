"""The network's graph, one node for each of its modules and functions, traced by torch.fx.

torch.jit, which torch's own `add_graph` uses, is deprecated, takes seconds, and shows each constant as a node.
"""

from threading import RLock

import torch
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.fx.passes.shape_prop import ShapeProp
from tqdm import tqdm

from lightsweep.models.base import OWN_HOOKS


def network_graph(net: nn.Module, example: Tensor) -> GraphDef:
    """Trace a network.

    Args:
        net: on whatever device.
        example: one batch on that device; it is run through the network once, in evaluation.

    Raises:
        Exception: whatever the network does that cannot be traced, such as branching on values.
    """
    training = net.training
    try:
        traced = torch.fx.symbolic_trace(net.eval())
        inputs: tuple[Tensor, ...] = (example,)
        for hook in net._forward_pre_hooks.values():  # the trace has none of the network's own hooks
            inputs = hook(net, inputs) if hook in OWN_HOOKS else inputs
        tqdm.set_lock(RLock())  # of a bar that torch shows; its own, among processes, starts one on Python 3.14
        with torch.no_grad():
            ShapeProp(traced).propagate(*inputs)
    finally:
        net.train(training)
    names: dict[Node, str] = {}
    for node in traced.graph.nodes:
        names[node] = _name(node, traced, set(names.values()))
    nodes = [_node(node, names, traced) for node in traced.graph.nodes]
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def _name(node: Node, traced: GraphModule, taken: set[str]) -> str:
    """Where a module lies, as `block/Conv2d_0`; a function's own name. A module that is used twice has two names."""
    if node.op != "call_module":
        return node.name
    scope, _, own = str(node.target).rpartition(".")
    kind = type(traced.get_submodule(str(node.target))).__name__
    name = f"{scope.replace('.', '/')}/{kind}_{own}".lstrip("/")
    return name if name not in taken else f"{name}_{node.name}"


def _node(node: Node, names: dict[Node, str], traced: GraphModule) -> NodeDef:
    module = traced.get_submodule(str(node.target)) if node.op == "call_module" else None
    kind = type(module).__name__ if module is not None else getattr(node.target, "__name__", str(node.target))
    found = NodeDef(name=names[node], op=kind, input=[names[source] for source in node.all_input_nodes])
    if module is not None:
        found.attr["module"].s = str(module).encode()
        found.attr["parameters"].i = sum(p.numel() for p in module.parameters())
    shape_of = getattr(node.meta.get("tensor_meta"), "shape", None)
    if shape_of is not None:
        dims = [TensorShapeProto.Dim(size=size) for size in shape_of]
        shape = AttrValue.ListValue(shape=[TensorShapeProto(dim=dims)])
        found.attr["_output_shapes"].list.CopyFrom(shape)
    return found
