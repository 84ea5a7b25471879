"""A communicator of one rank, as mpi4py's, for tests that need no MPI."""

from __future__ import annotations

import numpy as np


class OneRank:
    """What `Ranks` calls."""

    freed = 0

    def Get_rank(self):
        return 0

    def Get_size(self):
        return 1

    def Dup(self):
        return type(self)()

    def Free(self):
        OneRank.freed += 1

    def Ibarrier(self):
        return self

    def Test(self):
        return True

    def Allgather(self, sent, got):
        got[...] = sent

    def Alltoallv(self, sent, got):
        got[0][...] = sent[0]

    def Allgatherv(self, sent, got):
        np.asarray(got[0]).reshape(-1)[: sent.size] = sent

    def allgather(self, value):
        return [value]

    def bcast(self, value):
        return value
