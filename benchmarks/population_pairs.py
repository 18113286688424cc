"""Two processes side by side, one thread each, that share a peer's members: what a user with two cores can do.

Nothing is imported here but what does not read the number of threads.
"""

import multiprocessing
from multiprocessing.connection import Connection
from statistics import mean
from typing import Any, Self

import threads

PROCESSES = 2


class Pair:
    """The processes; they wait while others take their turns."""

    def __init__(self, members: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.lines: list[Connection] = []
        for number in range(PROCESSES):
            line, end = context.Pipe()
            context.Process(target=serve, args=(end, number, members), daemon=True).start()
            end.close()  # so that a process that fails is an end of file here
            self.lines.append(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self.lines:
            line.close()

    def ask(self, *request: object) -> list[Any]:
        """Ask both at the same time; their answers once both are done."""
        for line in self.lines:
            line.send(request)
        return [line.recv() for line in self.lines]

    def enter(self, name: str, problem: object) -> Any:
        """A peer in both processes, to take turns like one in this process; they make the same problem themselves."""
        from timing import Turn

        for reason in self.ask("enter", name):
            if reason:
                raise ImportError(reason)

        def start(epochs: int, seed: int) -> Turn:
            self.ask("start", name, epochs, seed)
            return Turn(lambda: self.ask("fit"), lambda: mean(self.ask("accuracy")))

        return start


def serve(line: Connection, number: int, members: int) -> None:
    """Answer until the other end closes."""
    threads.limit(1)
    import torch

    torch.set_num_threads(1)
    server = Server(number, members)
    while True:
        try:
            request, *given = line.recv()
        except EOFError:
            return
        line.send(getattr(server, request)(*given))


class Server:
    """One process' share of the members; its methods are the requests."""

    def __init__(self, number: int, members: int) -> None:
        import population_members

        self.problem = population_members.rows()
        self.members = population_members.members(members)[number::PROCESSES]
        self.starts: dict[str, Any] = {}
        self.turn: Any = None

    def enter(self, name: str) -> str:
        """The reason why a peer cannot take part; empty if it can."""
        import population_peers

        try:
            self.starts[name] = population_peers.enter(name, self.members, self.problem)
        except ImportError as reason:
            return str(reason) or "missing"
        return ""

    def start(self, name: str, epochs: int, seed: int) -> None:
        self.turn = self.starts[name](epochs, seed)

    def fit(self) -> None:
        self.turn.fit()

    def accuracy(self) -> float:
        return float(self.turn.accuracy())
