"""Two parallel processes with one thread each that share the members of a trainer, as a user with two cores may do.

This module imports nothing that reads the number of threads.
"""

import multiprocessing
from multiprocessing.connection import Connection
from statistics import mean
from typing import Any, Self

import threads

PROCESSES = 2


class ProcessPair:
    """The two processes; they wait while other trainers are timed."""

    def __init__(self, members: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connections: list[Connection] = []
        for number in range(PROCESSES):
            connection, end = context.Pipe()
            context.Process(target=serve, args=(end, number, members), daemon=True).start()
            end.close()  # so that `recv` raises EOFError if the process fails
            self.connections.append(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections:
            connection.close()

    def request(self, *message: object) -> list[Any]:
        """Send a request to both processes and wait for both replies."""
        for connection in self.connections:
            connection.send(message)
        return [connection.recv() for connection in self.connections]

    def enter(self, name: str, problem: object) -> Any:
        """Prepare a trainer in both processes, which build the same problem; it is timed like one in this process."""
        from timing import Turn

        for reason in self.request("enter", name):
            if reason:
                raise ImportError(reason)

        def start(epochs: int, seed: int) -> Turn:
            self.request("start", name, epochs, seed)
            return Turn(lambda: self.request("fit"), lambda: mean(self.request("accuracy")))

        return start


def serve(connection: Connection, number: int, members: int) -> None:
    """Process requests until the other end closes."""
    threads.limit(1)
    import torch

    torch.set_num_threads(1)
    server = Server(number, members)
    while True:
        try:
            request, *arguments = connection.recv()
        except EOFError:
            return
        connection.send(getattr(server, request)(*arguments))


class Server:
    """The members of one process; its methods are the requests."""

    def __init__(self, number: int, members: int) -> None:
        import population_members

        self.problem = population_members.rows()
        self.members = population_members.members(members)[number::PROCESSES]
        self.starts: dict[str, Any] = {}
        self.turn: Any = None

    def enter(self, name: str) -> str:
        """Prepare a trainer; returns why that is impossible, or an empty text."""
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
