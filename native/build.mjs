console.log("native codec: not built yet");
