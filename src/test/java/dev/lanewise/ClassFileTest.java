package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.FieldModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.lang.classfile.constantpool.MemberRefEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.lang.reflect.AccessFlag;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Rules that the compiled classes keep. */
class ClassFileTest {
    private static final String KERNELS = "dev/lanewise/internal/kernel/";
    private static final String VECTOR = "jdk/incubator/vector/";
    /** HotSpot's {@code HugeMethodLimit}: larger methods are never compiled. */
    private static final int HUGE_METHOD = 8000;
    /** What could crash a JVM or needs {@code --enable-native-access}: the methods that are restricted in JDK 25. */
    private static final Set<String> FORBIDDEN = Set.of("java/lang/foreign/MemorySegment.reinterpret",
            "java/lang/foreign/AddressLayout.withTargetLayout", "java/lang/foreign/Linker.downcallHandle",
            "java/lang/foreign/Linker.upcallStub", "java/lang/foreign/SymbolLookup.libraryLookup",
            "java/lang/ModuleLayer$Controller.enableNativeAccess", "java/lang/System.load",
            "java/lang/System.loadLibrary", "java/lang/Runtime.load", "java/lang/Runtime.loadLibrary");

    private static List<ClassModel> classes;

    @BeforeAll
    static void parse() throws IOException {
        try (Stream<Path> files = Files.walk(FreshJvm.CLASSES)) {
            classes = files.filter(file -> file.toString().endsWith(".class"))
                    .filter(file -> !file.endsWith("module-info.class"))
                    .map(ClassFileTest::parse)
                    .toList();
        }
        assertTrue(classes.stream().anyMatch(type -> name(type).startsWith(KERNELS)), FreshJvm.CLASSES::toString);
    }

    private static ClassModel parse(Path file) {
        try {
            return ClassFile.of().parse(file);
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    private static String name(ClassModel type) {
        return type.thisClass().asInternalName();
    }

    private static <T> Stream<T> constants(ClassModel type, Class<T> kind) {
        return StreamSupport.stream(type.constantPool().spliterator(), false).filter(kind::isInstance).map(kind::cast);
    }

    /** Names and descriptors of everything that a class refers to are there as text. */
    private static boolean mentions(ClassModel type, String part) {
        return constants(type, Utf8Entry.class).anyMatch(text -> text.stringValue().contains(part));
    }

    @Test
    void noMethodIsTooLargeToBeCompiled() {
        List<String> large = new ArrayList<>();
        for (ClassModel type : classes) {
            for (MethodModel method : type.methods()) {
                method.code()
                        .map(CodeAttribute.class::cast)
                        .filter(code -> code.codeLength() >= HUGE_METHOD)
                        .ifPresent(code -> large.add(name(type) + "." + method.methodName()));
            }
        }
        assertEquals(List.of(), large);
    }

    @Test
    void onlyKernelsReferToTheVectorApi() {
        assertEquals(List.of(), classes.stream()
                .filter(type -> mentions(type, VECTOR) && !name(type).startsWith(KERNELS))
                .map(ClassFileTest::name)
                .toList());
    }

    /** C2 takes a species for a constant only if it is static and final, and a vector in a field is an object on the heap. */
    @Test
    void fieldsOfTheVectorApiAreConstants() {
        List<String> changeable = new ArrayList<>();
        int constants = 0;
        for (ClassModel type : classes) {
            for (FieldModel field : type.fields()) {
                if (field.fieldType().stringValue().contains(VECTOR)) {
                    boolean constant = field.flags().has(AccessFlag.STATIC) && field.flags().has(AccessFlag.FINAL);
                    constants += constant ? 1 : 0;
                    if (!constant) {
                        changeable.add(name(type) + "." + field.fieldName());
                    }
                }
            }
        }
        assertEquals(List.of(), changeable);
        assertTrue(constants > 0, "no species found");
    }

    @Test
    void nothingIsUnsafeNativeRestrictedOrInternalToTheJdk() {
        List<String> found = new ArrayList<>();
        for (ClassModel type : classes) {
            for (String prefix : List.of("sun/misc/", "jdk/internal/")) {
                if (mentions(type, prefix)) {
                    found.add(name(type) + " mentions " + prefix);
                }
            }
            constants(type, MemberRefEntry.class)
                    .map(member -> member.owner().asInternalName() + "." + member.name().stringValue())
                    .filter(FORBIDDEN::contains)
                    .forEach(member -> found.add(name(type) + " calls " + member));
            type.methods()
                    .stream()
                    .filter(method -> method.flags().has(AccessFlag.NATIVE))
                    .forEach(method -> found.add(name(type) + "." + method.methodName() + " is native"));
        }
        assertEquals(List.of(), found);
    }

    @Test
    void thePublicInterfaceIsSmallAndShowsNothingInternal() {
        Set<String> types = new TreeSet<>();
        List<String> leaks = new ArrayList<>();
        for (ClassModel type : classes) {
            boolean exported = name(type).startsWith("dev/lanewise/")
                    && name(type).lastIndexOf('/') == "dev/lanewise".length();
            if (exported && type.flags().has(AccessFlag.PUBLIC)) {
                if (!name(type).contains("$")) {
                    types.add(name(type));
                }
                Stream<String> methods = type.methods()
                        .stream()
                        .filter(method -> isApi(method.flags().flags()))
                        .map(method -> method.methodName() + method.methodType().stringValue());
                Stream<String> fields = type.fields()
                        .stream()
                        .filter(field -> isApi(field.flags().flags()))
                        .map(field -> field.fieldName() + field.fieldType().stringValue());
                Stream.concat(methods, fields)
                        .filter(member -> member.contains("/internal/") || member.contains(VECTOR))
                        .forEach(member -> leaks.add(name(type) + "." + member));
            }
        }
        assertEquals(List.of(), leaks);
        assertTrue(types.size() >= 8 && types.size() <= 23, types::toString);
    }

    private static boolean isApi(Set<AccessFlag> flags) {
        return flags.contains(AccessFlag.PUBLIC) || flags.contains(AccessFlag.PROTECTED);
    }
}
