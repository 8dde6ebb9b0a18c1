"""SIMD intrinsics for numba, written as LLVM vectors so that every processor computes the same numbers.

A float32 sum is made of 64 partial sums, four vectors of 16: element e of a row is added, by a fused multiply-add, to
partial sum e mod 64; these are then added in a fixed tree. The order depends on the row's length alone: not on the
processor's vector width, the shape of a block, or which of the two rows comes first.

Addresses are integers (``array.ctypes.data``); a row is contiguous float32 of a multiple of 16 elements.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic  # callers leave out the typing context, which numba's annotation does not express

LANES = 16  # numbers of a vector
ACCUMULATORS = 4
WIDTH = 64  # columns per 64-bit mask
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_WORDS = ir.VectorType(ir.IntType(64), 8)


def _vector(builder: Any, address: Any, kind: Any, align: int) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=align)


def _splat(builder: Any, value: Any, kind: Any) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), order)


def _call(builder: Any, name: str, kind: Any, *values: Any) -> Any:
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [v.type for v in values]), name)
    return builder.call(function, values)


def _sum_of_lanes(builder: Any, vector: Any) -> Any:
    count = vector.type.count
    while count > 1:
        half = ir.VectorType(ir.IntType(32), count // 2)
        low = builder.shuffle_vector(vector, vector, ir.Constant(half, list(range(count // 2))))
        high = builder.shuffle_vector(vector, vector, ir.Constant(half, list(range(count // 2, count))))
        vector, count = builder.fadd(low, high), count // 2
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


def _lane_sum(term: Any) -> Any:
    """Make an intrinsic (address, address, number of 16-element chunks) -> float32: the sum of `term`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b, chunks = args
        zero = ir.Constant(_FLOATS, [0.0] * LANES)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(ACCUMULATORS)]
        size = ir.Constant(chunks.type, 4 * LANES)
        groups = builder.sdiv(chunks, ir.Constant(chunks.type, ACCUMULATORS))

        def add(slot: Any, chunk: Any) -> None:
            offset = builder.mul(chunk, size)
            left = _vector(builder, builder.add(a, offset), _FLOATS, 4)
            right = _vector(builder, builder.add(b, offset), _FLOATS, 4)
            builder.store(term(builder, left, right, builder.load(slot)), slot)

        with cgutils.for_range(builder, groups) as loop:
            first = builder.mul(loop.index, ir.Constant(chunks.type, ACCUMULATORS))
            for number, slot in enumerate(sums):
                add(slot, builder.add(first, ir.Constant(chunks.type, number)))
        done = builder.mul(groups, ir.Constant(chunks.type, ACCUMULATORS))
        for number, slot in enumerate(sums[:-1]):
            chunk = builder.add(done, ir.Constant(chunks.type, number))
            with builder.if_then(builder.icmp_signed("<", chunk, chunks)):
                add(slot, chunk)
        s = [builder.load(slot) for slot in sums]
        return _sum_of_lanes(builder, builder.fadd(builder.fadd(s[0], s[1]), builder.fadd(s[2], s[3])))

    def declare(typingctx: Any, a: Any, b: Any, chunks: Any) -> Any:
        return types.float32(types.intp, types.intp, types.intp), codegen

    return declare


def _product(builder: Any, a: Any, b: Any, total: Any) -> Any:
    return _call(builder, "llvm.fma.v16f32", _FLOATS, a, b, total)


def _square_of_difference(builder: Any, a: Any, b: Any, total: Any) -> Any:
    difference = builder.fsub(a, b)
    return _product(builder, difference, difference, total)


def _cube_of_difference(builder: Any, a: Any, b: Any, total: Any) -> Any:
    size = _call(builder, "llvm.fabs.v16f32", _FLOATS, builder.fsub(a, b))
    return _product(builder, builder.fmul(size, size), size, total)


dot = intrinsic(_lane_sum(_product))
squares = intrinsic(_lane_sum(_square_of_difference))
cubes = intrinsic(_lane_sum(_cube_of_difference))


def _mask_of(lanes: int, compare: Any) -> Any:
    """Code generator: packs the results of `compare` for 64 columns, `lanes` at a time, into a mask."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        mask = ir.Constant(word, 0)
        for chunk in range(WIDTH // lanes):
            bits = builder.bitcast(compare(builder, args, chunk), ir.IntType(lanes))
            mask = builder.or_(mask, builder.shl(builder.zext(bits, word), ir.Constant(word, chunk * lanes)))
        return mask

    return codegen


def _reaches(builder: Any, scores: Any, columns: Any, chunk: int, row: Any) -> Any:
    offset = ir.Constant(columns.type, chunk * 4 * LANES)
    thresholds = _vector(builder, builder.add(columns, offset), _FLOATS, 4)
    either = builder.fcmp_ordered(">=", scores, _splat(builder, row, _FLOATS))
    return builder.or_(either, builder.fcmp_ordered(">=", scores, thresholds))


@intrinsic
def reached_float32(typingctx: Any, scores: Any, columns: Any, row: Any) -> Any:
    """64-bit mask of 64 float32 scores: set where a score is at least its column's threshold (float32) or the row's."""

    def compare(builder: Any, args: Any, chunk: int) -> Any:
        address, columns, row = args
        offset = ir.Constant(address.type, chunk * 4 * LANES)
        return _reaches(builder, _vector(builder, builder.add(address, offset), _FLOATS, 4), columns, chunk, row)

    return types.uint64(types.intp, types.intp, types.float32), _mask_of(LANES, compare)


@intrinsic
def reached_bfloat16(typingctx: Any, scores: Any, columns: Any, row: Any) -> Any:
    """As `reached_float32`, for bfloat16 scores; the thresholds stay float32."""
    halves, wide = ir.VectorType(ir.IntType(16), LANES), ir.VectorType(ir.IntType(32), LANES)

    def compare(builder: Any, args: Any, chunk: int) -> Any:
        address, columns, row = args
        offset = ir.Constant(address.type, chunk * 2 * LANES)
        bits = builder.zext(_vector(builder, builder.add(address, offset), halves, 2), wide)
        scores = builder.bitcast(builder.shl(bits, ir.Constant(wide, [16] * LANES)), _FLOATS)
        return _reaches(builder, scores, columns, chunk, row)

    return types.uint64(types.intp, types.intp, types.float32), _mask_of(LANES, compare)


@intrinsic
def within_hamming(typingctx: Any, a: Any, b: Any, stride: Any, words: Any, columns: Any, row: Any) -> Any:
    """64-bit mask of 64 codes: set where the Hamming distance to code `a` is at most the column's radius or the row's.

    The 64 codes are stored word-major: word w of column c is at ``b + w * stride + 8 c``. Radii are int64.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b, stride, words, columns, row = args
        chunks = WIDTH // 8
        sums = [cgutils.alloca_once_value(builder, ir.Constant(_WORDS, [0] * 8)) for _ in range(chunks)]
        with cgutils.for_range(builder, words) as loop:
            address = builder.add(a, builder.mul(loop.index, ir.Constant(loop.index.type, 8)))
            own = _splat(builder, _vector(builder, address, ir.IntType(64), 8), _WORDS)
            line = builder.add(b, builder.mul(loop.index, stride))
            for chunk, slot in enumerate(sums):
                other = _vector(builder, builder.add(line, ir.Constant(line.type, chunk * 64)), _WORDS, 8)
                count = _call(builder, "llvm.ctpop.v8i64", _WORDS, builder.xor(own, other))
                builder.store(builder.add(builder.load(slot), count), slot)

        def compare(builder: Any, args: Any, chunk: int) -> Any:
            distance = builder.load(sums[chunk])
            radii = _vector(builder, builder.add(columns, ir.Constant(columns.type, chunk * 64)), _WORDS, 8)
            either = builder.icmp_signed("<=", distance, _splat(builder, row, _WORDS))
            return builder.or_(either, builder.icmp_signed("<=", distance, radii))

        return _mask_of(8, compare)(context, builder, signature, args)

    return types.uint64(*[types.intp] * 5, types.int64), codegen


@intrinsic
def lowest_bit(typingctx: Any, mask: Any) -> Any:
    """Index of the lowest set bit of a nonzero mask."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@intrinsic
def popcount(typingctx: Any, word: Any) -> Any:
    """Number of set bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


@intrinsic
def bits_of(typingctx: Any, value: Any) -> Any:
    """The bit pattern of a float32, as uint64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(32)), ir.IntType(64))

    return types.uint64(types.float32), codegen


def _at(kind: Any, number: Any, bits: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _vector(builder, args[0], kind, bits // 8)

    def declare(typingctx: Any, address: Any) -> Any:
        return number(types.intp), codegen

    return intrinsic(declare)


def _put(kind: Any, number: Any, bits: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], kind.as_pointer()), align=bits // 8)
        return context.get_dummy_value()

    def declare(typingctx: Any, address: Any, value: Any) -> Any:
        return types.void(types.intp, number), codegen

    return intrinsic(declare)


# loads and stores by address: passing arrays to an inlined function costs more than comparing one pair
word_at, put_word = _at(ir.IntType(64), types.uint64, 64), _put(ir.IntType(64), types.uint64, 64)
half_word_at, put_half_word = _at(ir.IntType(32), types.uint32, 32), _put(ir.IntType(32), types.uint32, 32)
integer_at, double_at = _at(ir.IntType(64), types.int64, 64), _at(ir.DoubleType(), types.float64, 64)
single_at, byte_at = _at(ir.FloatType(), types.float32, 32), _at(ir.IntType(8), types.uint8, 8)


@intrinsic
def float_at(typingctx: Any, address: Any, short: Any) -> Any:
    """The float32 at an address; with `short`, the bfloat16 there, converted to float32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, short = args
        made = cgutils.alloca_once(builder, ir.FloatType())
        with builder.if_else(short) as (then, otherwise):
            with then:
                half = _vector(builder, address, ir.IntType(16), 2)
                word = builder.shl(builder.zext(half, ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
                builder.store(builder.bitcast(word, ir.FloatType()), made)
            with otherwise:
                builder.store(_vector(builder, address, ir.FloatType(), 4), made)
        return builder.load(made)

    return types.float32(types.intp, types.boolean), codegen
