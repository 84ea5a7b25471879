# The table of operations: the only place that names them all. A plan names a row; step/ calls its functions.

from libc.string cimport memset

from ..step.program cimport OperationKind
from .avgpool cimport set_avgpool
from .batchnorm cimport set_batchnorm
from .batchnorm_pool cimport set_batchnorm_pool
from .conv cimport set_conv
from .conv_pool cimport set_conv_pool
from .conv_pool_image cimport set_conv_pool_image
from .copy cimport set_copy
from .dense cimport set_dense
from .dropout cimport set_dropout
from .elementwise cimport set_elementwise
from .layernorm cimport set_layernorm
from .load cimport set_load
from .maxpool cimport set_maxpool, set_maxpool_ties
from .python_layer cimport set_python_layer
from .sum cimport set_sum


cdef enum:
    KINDS = 16


cdef inline void set_table(OperationKind* table) noexcept:
    memset(table, 0, KINDS * sizeof(OperationKind))
    set_load(table)
    set_conv(table + 1)
    set_conv_pool(table + 2)
    set_conv_pool_image(table + 3)
    set_maxpool(table + 4)
    set_maxpool_ties(table + 5)
    set_avgpool(table + 6)
    set_batchnorm(table + 7)
    set_dropout(table + 8)
    set_elementwise(table + 9)
    set_copy(table + 10)
    set_dense(table + 11)
    set_python_layer(table + 12)
    set_sum(table + 13)
    set_layernorm(table + 14)
    set_batchnorm_pool(table + 15)
