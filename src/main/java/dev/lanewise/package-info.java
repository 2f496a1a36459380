/**
 * Scaled dot-product attention, softmax(q·kᵀ·scale)·v, over strided views of off-heap memory.
 *
 * <p>{@link dev.lanewise.Tensor} is a typed view, {@link dev.lanewise.Attention} the operator, and
 * {@link dev.lanewise.RuntimeInfo} tells which kernel this JVM runs and why. Shapes use the letters B (batch), H and Hkv
 * (query and key/value heads), Lq and Lk (query and key length), D and Dv (head dimension of q and k, and of v).
 *
 * <p>Operators are immutable and may be shared by any number of threads. Memory belongs to the caller: a call reads and
 * writes the segments it is given and keeps no reference to them after it returns.
 */
package dev.lanewise;
