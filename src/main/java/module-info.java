/**
 * Scaled dot-product attention on the JVM's vector unit, over off-heap memory.
 *
 * <p>The module needs {@code jdk.incubator.vector} for its vector kernels. On the module path it is resolved by itself; on
 * the class path start the JVM with {@code --add-modules jdk.incubator.vector}, or the scalar kernel runs instead. Where {@code jdk.jfr}
 * is in the image, calls and the start-up choice can be recorded.
 */
module dev.lanewise {
    requires jdk.incubator.vector;
    requires jdk.management;
    requires static jdk.jfr;

    exports dev.lanewise;
}
